# SPDX-License-Identifier: LGPL-3.0-or-later
"""ReFrame tests that run as Flux jobs: twenty of a parameter, and one that asks for its job."""

import reframe as rfm
import reframe.utility.sanity as sn


@rfm.simple_test
class Squares(rfm.RunOnlyRegressionTest):
    valid_systems = ["*"]
    valid_prog_environs = ["*"]
    number = parameter(range(20))
    executable = "expr"
    num_tasks = 1

    @run_before("run")
    def words(self):
        self.executable_opts = [str(self.number), "\\*", str(self.number), "+", "1"]

    @sanity_function
    def check(self):
        return sn.assert_found(rf"^{self.number**2 + 1}$", self.stdout)


@rfm.simple_test
class Job(rfm.RunOnlyRegressionTest):
    valid_systems = ["*"]
    valid_prog_environs = ["*"]
    executable = "flux"
    executable_opts = ["job", "info", "$FLUX_JOB_ID", "R"]

    @sanity_function
    def check(self):
        return sn.assert_found(r'"R_lite"', self.stdout)
