// The mosaic kernel on the GPU: every patch's value fills its square.
//
// Compiled at run time by mapping/cuda.py, and by nvcc in the tests. Offsets into the raster are 64 bits wide: the
// rasters of 18 granules of 10976 x 10976 pixels have more pixels than a signed 32-bit number counts.

/// Fills rows start_px ... start_px + height - 1 of a raster.
///
/// values: value of every patch, shape (rows, cols), row-major.
/// out:    the rows to fill, shape (height, width), row-major; NaN where no patch lies.
///
/// Threads along x share a row of the raster, so that neighbours write neighbouring words and the row's patch is found
/// once; a column is below 2^31, which makes its division a cheap one.
extern "C" __global__ void fill_rows(const float *__restrict__ values, float *__restrict__ out, const long long rows,
                                     const unsigned int cols, const unsigned int patch_px, const long long start_px,
                                     const long long height, const unsigned int width) {
    const float nothing = __int_as_float(0x7fc00000);
    for (long long y = blockIdx.y; y < height; y += gridDim.y) {
        const long long row = (start_px + y) / patch_px;
        const float *line = values + row * cols;
        float *target = out + y * width;
        for (unsigned int x = blockIdx.x * blockDim.x + threadIdx.x; x < width; x += gridDim.x * blockDim.x) {
            const unsigned int col = x / patch_px;
            target[x] = row < rows && col < cols ? line[col] : nothing;
        }
    }
}
