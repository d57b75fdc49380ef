"""What `metarule bench` measures, and how."""

from ._encode import encode as encode
from ._estimators import estimators as estimators
from ._flops import product_flops as product_flops
from ._meta_steps import outer_overhead as outer_overhead, QUICK_STEPS as QUICK_STEPS
from ._program import matrix_product as matrix_product, Program as Program
from ._row import Row as Row, Workload as Workload
from ._rules import (
    apply_lean as apply_lean,
    apply_released as apply_released,
    metagrad_lean as metagrad_lean,
    metagrad_released as metagrad_released,
)
from ._sample import Budget as Budget, sample as sample, Sampled as Sampled
from ._scaling import draw_scaling as draw_scaling, scaling as scaling
from ._startup import startup as startup
