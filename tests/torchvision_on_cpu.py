"""Import this before torchvision or timm: see edgeport.pipeline.sources.torchvision_on_cpu."""

from edgeport.pipeline.sources.torchvision_on_cpu import declare

declare()
