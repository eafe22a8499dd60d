"""A hand in a video as the skeletons of SHREC'21 are: from 21 points of MediaPipe to 20 joints.

SHREC'21 was recorded by a Leap Motion and a model of a hand with bones of one length. Its joint 0,
called the palm, lies where MediaPipe has the wrist; MediaPipe's first thumb point has no match.
The axes are those of its game engine, x to the person's right, y up, z away from the person, which
is a left-handed system. The camera is taken to stand upright before the person, and to look at
them; its angle of view, which a video does not state, is taken to be 60 degrees.
"""

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from wtal_core.data.hands import COLUMNS

POINTS = 21  # of MediaPipe
OF_POINTS = (0, 2, 3, 4, *range(5, POINTS))  # joint -> MediaPipe's point
ROOTS = (0, 4, 8, 12, 16)  # joints that the bones of the palm hold together
# Medians of these joints in the palm's frame, mm, over all sequences of SHREC'21
PALM = np.array(
    [[0, 0, 0], [88.9, 0, 30.5], [89.7, 1.5, 10.6], [84.1, 0, -8.7], [76.6, -4.1, -25.7]]
)
FOCAL_LENGTH = 0.87  # in lengths of the picture's longer side: 60 degrees
AXES = np.array([-1.0, -1.0, -1.0])  # of the camera (right, down, away) to those of SHREC'21
MIRROR = np.array([-1.0, 1.0, 1.0])


def skeletons(
    landmarks: Float[np.ndarray, "S 106"], width: int, height: int
) -> Float[np.ndarray, "S 64"]:
    """Joints in mm and the palm's quaternion, as `data.hands` takes them; zeros without a hand.

    landmarks: of each frame, as `hand_worker.find` leaves them. A left hand is mirrored: all hands
    of SHREC'21 are right ones. Which hand it is, all frames of the video decide together.
    """
    samples = np.zeros((len(landmarks), COLUMNS))
    is_seen = np.isfinite(landmarks).all(1)
    if not is_seen.any():
        return samples
    seen = landmarks[is_seen].astype(np.float64)
    world = seen[:, : 3 * POINTS].reshape(-1, POINTS, 3) * 1000
    picture = seen[:, 3 * POINTS : 5 * POINTS].reshape(-1, POINTS, 2)
    joints = (world + places(world, picture, width, height)[:, None]) * AXES
    joints = joints[:, OF_POINTS]
    if seen[:, -1].mean() < 0.5:
        joints = joints * MIRROR
    joints = joints * _scale(joints)[:, None, None]
    samples[is_seen] = np.concatenate(
        [joints.reshape(-1, 60), palm_turns(joints).as_quat()], axis=1
    )
    return samples


def places(
    world: Float[np.ndarray, "S 21 3"],
    picture: Float[np.ndarray, "S 21 2"],
    width: int,
    height: int,
) -> Float[np.ndarray, "S 3"]:
    """Where hands are before the camera, mm, by least squares over their points: a pinhole sees a
    point (X, Y, Z) at X / Z and Y / Z focal lengths from the picture's middle.
    """
    pixels = (picture - 0.5) * (width, height)
    seen_at = pixels / (FOCAL_LENGTH * max(width, height))
    count = len(world)
    equations = np.zeros((count, 2, POINTS, 3))
    equations[:, 0, :, 0] = 1
    equations[:, 1, :, 1] = 1
    equations[..., 2] = -seen_at.transpose(0, 2, 1)
    right = (seen_at * world[..., 2:] - world[..., :2]).transpose(0, 2, 1)
    matrix = equations.reshape(count, 2 * POINTS, 3)
    turned = matrix.transpose(0, 2, 1)
    return np.linalg.solve(turned @ matrix, turned @ right.reshape(count, 2 * POINTS, 1))[..., 0]


def _scale(joints: Float[np.ndarray, "S 20 3"]) -> Float[np.ndarray, " S"]:
    """What makes each palm as large as the one of SHREC'21."""
    roots = joints[:, ROOTS] - joints[:, :1]
    return np.linalg.norm(PALM) / np.linalg.norm(roots, axis=(1, 2))


def palm_turns(joints: Float[np.ndarray, "S 20 3"]) -> Rotation:
    """How palms are turned: the rotations that bring `PALM` nearest to them (Kabsch 1976)."""
    roots = joints[:, ROOTS]
    centred = roots - roots.mean(1, keepdims=True)
    left, _, right = np.linalg.svd(centred.transpose(0, 2, 1) @ (PALM - PALM.mean(0)))
    left[:, :, 2] *= np.sign(np.linalg.det(left @ right))[:, None]
    return Rotation.from_matrix(left @ right)
