import io

import numpy as np

from trainer.plots import confusion_matrix, learning_curve


def png(figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def test_learning_curve_has_a_line_for_each_loss():
    figure = learning_curve(
        [{"train_loss": 1.0, "holdout_loss": 2.0}, {"train_loss": 0.5, "holdout_loss": 1.0}]
    )
    assert len(figure.axes[0].lines) == 2
    assert png(figure).startswith(b"\x89PNG")


def test_confusion_matrix_writes_every_count():
    assert len(confusion_matrix(np.eye(3, dtype=int)).axes[0].texts) == 9
