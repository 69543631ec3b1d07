"""When a version is frozen without anybody asking, and who is told what came of it."""
