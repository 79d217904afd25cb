"""The service around the models: doors, engine, sinks, command line."""
