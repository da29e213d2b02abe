"""The Django app of the commands simulate and load_demo; servers import nothing else of it."""

from django.apps import AppConfig


class SimulatorConfig(AppConfig):
    name = "simulator"
    verbose_name = "Simulator"
