"""What `metarule bench` measures, and how."""

from ._flops import product_flops as product_flops
from ._program import matrix_product as matrix_product, Program as Program
from ._row import Row as Row, Workload as Workload
from ._rules import (
    apply_lean as apply_lean,
    apply_released as apply_released,
    metagrad_lean as metagrad_lean,
    metagrad_released as metagrad_released,
)
from ._sample import Budget as Budget, sample as sample, Sampled as Sampled
