"""Settling the provider's answers, next to UPDATEs of the same rows of the same table in batches of the same size."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import batched

import polars as pl
from sqlalchemy import text

from dispatcher import accounts
from dispatcher.database import pin_key_lookups
from dispatcher.polling import BATCH_LINES
from dispatcher.provider.frames import parse_slice
from dispatcher.results import Settler
from ops.bench.lists import write_list
from ops.bench.meter import Meter, Usage
from ops.bench.stack import Stack, stack
