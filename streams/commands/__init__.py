"""The commands of `plg`, one file a group; each reads its arguments, calls one function and says what came of it."""
