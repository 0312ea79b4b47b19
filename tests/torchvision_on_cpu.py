"""Import this before torchvision or timm: see edgeport.cli.torchvision_on_cpu."""

from edgeport.cli.torchvision_on_cpu import declare

declare()
