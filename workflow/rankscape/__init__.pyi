from rankscape.api import Run as Run
from rankscape.api import evaluate as evaluate
from rankscape.api import merge_orders as merge_orders
from rankscape.api import read_run as read_run
from rankscape.api import score_images as score_images

__version__: str
