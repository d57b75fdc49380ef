"""Does a class of one's own do what its interface promises? Checks to be run in a test, or at a command's door."""

from ._check_architecture import check_architecture as check_architecture, check_layer as check_layer
from ._check_estimator import (
    check_estimator as check_estimator,
    check_estimator_form as check_estimator_form,
)
from ._check_objective import check_objective_form as check_objective_form
from ._check_rule import check_rule as check_rule, check_rule_form as check_rule_form
from ._check_tasks import check_tasks as check_tasks, check_tasks_form as check_tasks_form
