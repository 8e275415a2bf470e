# SPDX-License-Identifier: LGPL-3.0-or-later
"""Certificate files: flux-core's are read here, those made here by flux-core."""

import os
import subprocess

import pytest

from rosin.broker.overlay.cert import BrokerCertificate

CONFIG = """\
[bootstrap]
curve_cert = "{path}/cert"
default_bind = "ipc://{path}/tbon"
default_connect = "ipc://{path}/tbon"
hosts = [{{ host = "{host}" }}]
"""


def test_we_read_a_file_of_flux_core(flux, tmp_path):
    path = tmp_path / "cert"
    subprocess.run([flux, "keygen", "--meta=a=b,c", str(path)], check=True, timeout=60)
    cert = BrokerCertificate.read(str(path))
    assert (cert.metadata["a"], cert.metadata["c"]) == ("b", "")


@pytest.mark.parametrize(("mode", "code"), [(0o600, 0), (0o640, 1)])
def test_flux_core_reads_a_file_of_ours(flux, tmp_path, mode, code):
    path = tmp_path / "cert"
    BrokerCertificate.generate({"name": "a b", "x.y": "1:2"}).write(str(path))
    path.chmod(mode)
    config = tmp_path / "config"
    config.mkdir()
    text = CONFIG.format(path=tmp_path, host=os.uname().nodename)
    (config / "bootstrap.toml").write_text(text)
    options = [
        f"--config-path={config}",
        "-Sbroker.boot-method=config",
        "-Sbroker.rc1_path=",
        "-Sbroker.rc3_path=",
    ]
    done = subprocess.run(
        [flux, "broker", *options, "true"], timeout=60, check=False, capture_output=True, text=True
    )
    assert done.returncode == code, done.stderr
    assert ("readable by group/other" in done.stderr) == bool(code)
