// The mosaic kernels on the GPU: every patch's value fills its square, and overlapping windows are blended.
//
// Compiled at run time by products/maps/cuda.py, by nvcc in the tests, and there by a C++ compiler as well, block after block.
// Offsets are 64 bits wide: 18 granules of 10976 x 10976 pixels have more pixels than a signed 32-bit number counts.
//
// A block writes one row of the raster at a time. Rows begin where they may, since a width need be no multiple of
// anything: the pixels before the first multiple of 16 bytes and those after the last are written one by one, and all
// others 16 bytes at once (4 floats or 16 bytes), neighbouring threads beside each other.

typedef long long int64;
typedef unsigned char uint8;

/// A score as the bits of a pixel: a float as it is, or a byte, score * 250 rounded to the nearest (to even), 255 for NaN.
template <typename Pixel> __device__ unsigned int bits_of(float value);

template <> __device__ unsigned int bits_of<float>(float value) { return __float_as_uint(value); }

template <> __device__ unsigned int bits_of<uint8>(float value) {
    return value == value ? static_cast<unsigned int>(fminf(fmaxf(rintf(value * 250.0f), 0.0f), 250.0f)) : 255u;
}

__device__ void put(float *target, unsigned int bits) { *target = __uint_as_float(bits); }

__device__ void put(uint8 *target, unsigned int bits) { *target = static_cast<uint8>(bits); }

/// The same bits in all pixels of a word of 32 bits.
template <typename Pixel> __device__ unsigned int repeated(unsigned int bits) {
    return sizeof(Pixel) == 1 ? bits * 0x01010101u : bits;
}

/// One row of scores, which become pixels from left to right: Row(x) goes to column x, next() follows.
///
/// Both kinds of rows know how many pixels from here on are the same, so that squares are not computed pixel by pixel.
struct PatchRow {
    const float *line;
    unsigned int cols, patch_px;
    unsigned int col, left;

    __device__ void go(unsigned int x) {
        col = x / patch_px;
        left = col >= cols ? 0xffffffffu : patch_px - (x - col * patch_px);
    }
    __device__ float value() const { return line && col < cols ? line[col] : __uint_as_float(0x7fc00000u); }
    __device__ unsigned int same() const { return left; }
    __device__ void next() {
        if (--left == 0) {
            ++col;
            left = col >= cols ? 0xffffffffu : patch_px;
        }
    }
};

struct BlendRow {
    const float *windows;     // of one layer, shape (count, side, side)
    const double *weights;    // shape (side, side)
    const int *tops, *lefts;  // first row and column of each step
    const int64 *index;       // shape (downs, acrosses): which window stands there, or -1
    const int *first_across;  // shape (width): first step that reaches a column
    int downs, acrosses, side, y, first_down;
    int x;

    __device__ void go(unsigned int column) { x = static_cast<int>(column); }
    __device__ unsigned int same() const { return 1; }
    __device__ void next() { ++x; }
    __device__ float value() const {
        double total = 0, weight = 0;
        for (int down = first_down; down < downs && tops[down] <= y; ++down)
            for (int across = first_across[x]; across < acrosses && lefts[across] <= x; ++across) {
                const int64 window = index[static_cast<int64>(down) * acrosses + across];
                if (window < 0) continue;
                const int64 cell = static_cast<int64>(y - tops[down]) * side + (x - lefts[across]);
                total += weights[cell] * windows[window * side * side + cell];
                weight += weights[cell];
            }
        return weight > 0 ? static_cast<float>(total / weight) : __uint_as_float(0x7fc00000u);
    }
};

/// Writes one row of the raster with the threads of a block.
template <typename Pixel, typename Row> __device__ void write_row(Row row, Pixel *target, const unsigned int width) {
    const unsigned int many = 16 / sizeof(Pixel), a_word = 4 / sizeof(Pixel), step = blockDim.x * many;
    const unsigned int before = (16 - (reinterpret_cast<size_t>(target) & 15)) % 16 / sizeof(Pixel);
    const unsigned int head = before < width ? before : width, body = head + (width - head) / many * many;
    for (unsigned int edge = threadIdx.x; edge < head + (width - body); edge += blockDim.x) {
        const unsigned int x = edge < head ? edge : body + (edge - head);
        row.go(x);
        put(target + x, bits_of<Pixel>(row.value()));
    }
    for (unsigned int x = head + threadIdx.x * many; x < body; x += step) {
        unsigned int words[4];
        row.go(x);
        if (row.same() >= many) {
            words[0] = words[1] = words[2] = words[3] = repeated<Pixel>(bits_of<Pixel>(row.value()));
        } else {
#pragma unroll
            for (unsigned int &word : words) {
                word = 0;
                for (unsigned int place = 0; place < a_word; ++place, row.next())
                    word |= bits_of<Pixel>(row.value()) << (8 * sizeof(Pixel) * place);
            }
        }
        // Left to itself the compiler splits the stores of the two branches; this one never is, and passes the cache by.
        __stcs(reinterpret_cast<uint4 *>(target + x), make_uint4(words[0], words[1], words[2], words[3]));
    }
}

/// Fills rows first_px ... first_px + height - 1 of every layer.
///
/// values: score of every patch, shape (layers, rows, cols).
/// out:    the rows, shape (layers, height, width); no data where no patch lies.
template <typename Pixel>
__device__ void fill(const float *values, Pixel *out, const int64 layers, const int64 rows, const unsigned int cols,
                     const unsigned int patch_px, const int64 first_px, const int64 height, const unsigned int width) {
    for (int64 line = blockIdx.x; line < layers * height; line += gridDim.x) {
        const int64 row = (first_px + line % height) / patch_px;
        const float *patches = row < rows ? values + (line / height * rows + row) * cols : nullptr;
        write_row(PatchRow{patches, cols, patch_px, 0, 0}, out + line * width, width);
    }
}

/// Blends windows into rows first_px ... first_px + height - 1 of every layer: sum of weight x score over sum of weight.
///
/// windows:    scores, shape (layers, count, side, side).
/// first_down: first step downwards that reaches a row, shape (height); the others as in BlendRow.
/// out:        the rows, shape (layers, height, width); no data where no window lies.
template <typename Pixel>
__device__ void blend(const float *windows, const double *weights, const int *tops, const int *lefts,
                      const int64 *index, const int *first_down, const int *first_across, Pixel *out,
                      const int64 layers, const int64 count, const int downs, const int acrosses, const int side,
                      const int64 first_px, const int64 height, const unsigned int width) {
    for (int64 line = blockIdx.x; line < layers * height; line += gridDim.x) {
        const int64 place = line % height;
        const float *layer = windows + line / height * count * side * side;
        const BlendRow row{layer, weights, tops, lefts, index, first_across, downs, acrosses, side,
                           static_cast<int>(first_px + place), first_down[place], 0};
        write_row(row, out + line * width, width);
    }
}

#define FILL(NAME, PIXEL)                                                                                            \
    extern "C" __global__ void NAME(const float *__restrict__ values, PIXEL *__restrict__ out, const int64 layers,   \
                                    const int64 rows, const unsigned int cols, const unsigned int patch_px,          \
                                    const int64 first_px, const int64 height, const unsigned int width) {            \
        fill(values, out, layers, rows, cols, patch_px, first_px, height, width);                                    \
    }

#define BLEND(NAME, PIXEL)                                                                                           \
    extern "C" __global__ void NAME(                                                                                 \
        const float *__restrict__ windows, const double *__restrict__ weights, const int *__restrict__ tops,         \
        const int *__restrict__ lefts, const int64 *__restrict__ index, const int *__restrict__ first_down,          \
        const int *__restrict__ first_across, PIXEL *__restrict__ out, const int64 layers, const int64 count,        \
        const int downs, const int acrosses, const int side, const int64 first_px, const int64 height,               \
        const unsigned int width) {                                                                                  \
        blend(windows, weights, tops, lefts, index, first_down, first_across, out, layers, count, downs, acrosses,   \
              side, first_px, height, width);                                                                        \
    }

FILL(fill_float32, float)
FILL(fill_uint8, uint8)
BLEND(blend_float32, float)
BLEND(blend_uint8, uint8)
