/* Images as they might have been: shifted, turned, scaled, slanted and gently bent, so that a model learns what does
 * not depend on any of it. */
#ifndef INPUT_AUGMENT_IMAGE_H
#define INPUT_AUGMENT_IMAGE_H

#include <stdint.h>

/* from, to: (height, width, channels), not overlapping. A pure function of its arguments. Strength 1 shifts by up to a
 * tenth of the size, turns by up to 15 degrees, scales and slants by up to 15 %, and bends (Simard et al. 2003,
 * "elastic distortions") by a few hundredths of the size; 0 copies. Places are read between pixels, linearly; what lies
 * outside is the nearest pixel of the border. */
void augment_image(const unsigned char *from, unsigned char *to, int64_t width, int64_t height, int64_t channels,
                   double strength, uint64_t key);

#endif
