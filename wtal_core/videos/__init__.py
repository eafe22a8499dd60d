"""From video files to features: decoding, backbones, and the folder that `wtal data add` reads."""
