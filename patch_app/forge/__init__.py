"""A local GitHub for the demo and the tests: real repositories, real HTTP, real workflow runs. Never imported by the App."""
