"""A local GitHub for the demo and the tests: real repositories, real HTTP, real workflow runs.

Its job: see `Forge`. It refuses to be imported by the App.
"""

from patch_app.forge.core import ForgeOptions
from patch_app.forge.moods import Mood
from patch_app.forge.people import Person, RefusedError
from patch_app.forge.server import Forge

__all__ = ["Forge", "ForgeOptions", "Mood", "Person", "RefusedError"]
