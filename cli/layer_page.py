def page(layers,value,svg): return b""
