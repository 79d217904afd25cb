"""What a gateway needs to stream to the service: a connection, its answers, a steady clock."""
