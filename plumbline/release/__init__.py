"""The winner as a bundle that scores raw rows by itself."""
