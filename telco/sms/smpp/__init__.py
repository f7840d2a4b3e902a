"""SMPP 3.4 on asyncio: the codec, a session for both ends, and links that stay up."""
