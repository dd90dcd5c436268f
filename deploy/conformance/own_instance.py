"""Points the public conformance suite at an instance of one's own: pytest -p own_instance.

The environment says which: SIGSTEAD_TOKEN (identity token with an e-mail address), SIGSTEAD_TRUSTED_ROOT and
SIGSTEAD_SIGNING_CONFIG (files). The suite would otherwise download a token, and the public instance's trust files, even
for cases that need neither. Cases about existing bundles keep the trust they name.
"""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import urllib3

TOKEN = os.environ["SIGSTEAD_TOKEN"]
TRUST = (Path(os.environ["SIGSTEAD_TRUSTED_ROOT"]), Path(os.environ["SIGSTEAD_SIGNING_CONFIG"]))

# Before the suite's own import of the name.
urllib3.request = lambda *_, **__: SimpleNamespace(data=TOKEN.encode())


@pytest.fixture(autouse=True)
def own_instance(request, monkeypatch):
    """Signing cases use the instance's trusted root and signing config."""
    if "signing" not in request.keywords:
        return
    from test import client, conftest

    from_path = client.BundleMaterials.from_artifact_path.__func__

    def with_trust(cls, path):
        materials = from_path(cls, path)
        materials.trusted_root, materials.signing_config = TRUST
        return materials

    monkeypatch.setattr(client.BundleMaterials, "from_artifact_path", classmethod(with_trust))
    monkeypatch.setattr(conftest, "_client_config", lambda *_, **__: TRUST)
