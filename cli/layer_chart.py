def svg(layers,title): return ""
def to_png(layers,title): return b""
