"""Data sets that come with the package."""

from twinbayes.datasets.embedded import RegistryTruth, registry_truth, simulated_registry

#: The name that `simulated_registry` had until version 0.1; it goes with 0.3.
registry = simulated_registry

__all__ = ["RegistryTruth", "registry", "registry_truth", "simulated_registry"]
