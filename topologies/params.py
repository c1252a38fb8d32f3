"""The types of the parameters that a person writes. `Unit` tells the scenario reader that a bare number is an error.

Inside everything is SI: bytes per second, seconds, bytes.
"""

from typing import Annotated

from annotated_types import Ge, Gt, Unit

#: A link's speed in bytes per second; written `400Gbit/s` or `50GB/s`.
Bandwidth = Annotated[float, Gt(0), Unit("B/s")]
#: A time in seconds; written `500ns`.
Duration = Annotated[float, Ge(0), Unit("s")]
#: A count of things of which there is at least one.
Count = Annotated[int, Ge(1)]
#: The seed of a pseudo-random choice.
Seed = Annotated[int, Ge(0)]
