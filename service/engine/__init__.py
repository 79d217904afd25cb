"""The core that serves: asyncio, but no web framework, no Redis, no Prometheus."""
