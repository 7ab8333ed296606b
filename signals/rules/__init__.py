"""One file a signal: its parameters, its rule, its words. Rules do not import each other."""
