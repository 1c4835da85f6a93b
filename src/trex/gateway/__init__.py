"""The persona service: sign in, link, evaluate, grant, points, credentials; over HTTP (specs/gateway.md)."""
