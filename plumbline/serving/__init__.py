"""A released bundle behind HTTP."""
