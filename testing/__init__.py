"""Does a class of one's own do what its interface promises? Checks to be run in a test, or at a command's door."""

from ._check_rule import check_rule as check_rule, check_rule_form as check_rule_form
