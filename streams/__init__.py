"""The shell inwards, and where things are put together: Faust, batches, checkpoints, the command line."""
