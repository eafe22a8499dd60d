"""Find a hand in raw frames with MediaPipe. Runs by itself, in a Python that has mediapipe.

It is not imported by the workbook, whose own environment mediapipe does not fit into (it needs an
older numpy). `hand_landmarks.py` starts it with a path and talks to it by two plain means: raw RGB
frames come by standard input, and the landmarks are left in a .npy file.

    python hand_worker.py describe
    python hand_worker.py find WIDTH HEIGHT OUT.npy < frames
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

POINTS = 21
# per point: x, y, z in metres about the hand's centre, then x, y as shares of the picture
VALUES = POINTS * 5 + 1  # and the likelihood that it is a right hand
MODELS = ("palm_detection/palm_detection_full.tflite", "hand_landmark/hand_landmark_full.tflite")
LEAST = 0.3  # confidence from which a hand is taken, lower than MediaPipe's .5: gaps cost more


def describe() -> dict[str, str]:
    """Which MediaPipe it is, and the SHA-256 of both models."""
    import mediapipe

    root = Path(mediapipe.__file__).parent / "modules"
    digest = hashlib.sha256()
    for model in MODELS:
        digest.update((root / model).read_bytes())
    return {"version": str(mediapipe.__version__), "sha256": digest.hexdigest()}


def find(width: int, height: int, out: Path) -> None:
    """Write [frames, VALUES] of float32; rows of NaN where no hand is seen."""
    import mediapipe
    import numpy as np

    tracker = mediapipe.solutions.hands.Hands(
        static_image_mode=False,
        max_num_hands=1,
        min_detection_confidence=LEAST,
        min_tracking_confidence=LEAST,
    )
    size = width * height * 3
    rows = []
    while len(frame := sys.stdin.buffer.read(size)) == size:
        picture = np.frombuffer(frame, np.uint8).reshape(height, width, 3)
        rows.append(_values(tracker.process(picture)))
    np.save(out, np.array(rows, np.float32).reshape(len(rows), VALUES))


def _values(answer: Any) -> list[float]:
    if not answer.multi_hand_landmarks:
        return [float("nan")] * VALUES
    world = answer.multi_hand_world_landmarks[0].landmark
    picture = answer.multi_hand_landmarks[0].landmark
    side = answer.multi_handedness[0].classification[0]
    # MediaPipe names the side as in a mirror: what it calls left is a right hand
    right = side.score if side.label == "Left" else 1 - side.score
    values = [value for point in world for value in (point.x, point.y, point.z)]
    values += [value for point in picture for value in (point.x, point.y)]
    return [*values, right]


if __name__ == "__main__":
    if sys.argv[1] == "describe":
        print(json.dumps(describe()))
    else:
        find(int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))
