"""Still pictures for notebooks."""

from IPython.display import Image
from matplotlib.figure import Figure

from wtal_core.pictures.figures import png


def still(figure: Figure) -> Image:
    """The figure as a picture in the notebook."""
    return Image(png(figure))
