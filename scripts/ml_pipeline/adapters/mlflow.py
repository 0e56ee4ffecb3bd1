"""MLflow's REST API, as far as reconciling reads it. The client library takes seconds to import; two requests do not.

https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from ml_pipeline.documents.faults import UnavailableError

TIMEOUT_SECONDS = 10
RECEIPT = "receipt.json"


@dataclass(frozen=True)
class Tracking:
    """An MLflow server at `http://host:port`."""

    uri: str

    def results(self, identities: set[str]) -> dict[str, dict[str, Any]]:
        """What the finished runs of these identities left behind, with the ids of run and experiment.

        Raises:
            UnavailableError: the server does not answer.
        """
        if not identities:
            return {}
        experiments = {
            e["experiment_id"]: e["name"]
            for e in self._post("experiments/search", {"max_results": 1000}).get("experiments", ())
        }
        found: dict[str, dict[str, Any]] = {}
        for identity in sorted(identities):
            query = {
                "experiment_ids": list(experiments),
                "filter": f"tags.identity = '{identity}' and tags.settled = 'true'",
                "max_results": 1,
            }
            for run in self._post("runs/search", query).get("runs", ()):
                info = run["info"]
                receipt = self._get(
                    f"/get-artifact?{urllib.parse.urlencode({'path': RECEIPT, 'run_uuid': info['run_id']})}"
                )
                found[identity] = {
                    **receipt,
                    "run_id": info["run_id"],
                    "experiment": experiments[info["experiment_id"]],
                }
        return found

    def _post(self, method: str, body: dict[str, Any]) -> Any:
        request = urllib.request.Request(
            f"{self.uri}/api/2.0/mlflow/{method}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        return self._answer(request)

    def _get(self, path: str) -> Any:
        return self._answer(urllib.request.Request(f"{self.uri}{path}"))

    def _answer(self, request: urllib.request.Request) -> Any:
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
                return json.loads(answer.read())
        except (OSError, urllib.error.URLError, ValueError) as error:
            raise UnavailableError(
                f"MLflow at {self.uri} does not answer ({error}); nothing is recorded until it does"
            ) from error
