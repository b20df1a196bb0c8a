/* What no model exceeds by far, so that sizes multiplied with each other stay countable. */
#ifndef MODEL_CONFIG_LIMITS_H
#define MODEL_CONFIG_LIMITS_H

#define MOST_VOCABULARY (1 << 22)
#define MOST_WIDTH (1 << 16)
#define MOST_LAYERS (1 << 10)
#define MOST_POSITIONS (1 << 16)
#define MOST_LABELS (1 << 16)
#define MOST_CHANNELS 4
#define MOST_SIDE (1 << 16) /* of an image */

#endif
