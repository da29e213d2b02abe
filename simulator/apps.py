"""Installed for its commands, simulate and load_demo; a server imports nothing else of it."""

from django.apps import AppConfig


class SimulatorConfig(AppConfig):
    name = "simulator"
    verbose_name = "Simulator"
