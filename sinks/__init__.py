"""The shell outwards: what reads `plg.alerts` and `plg.workspaces` and tells people and stores."""
