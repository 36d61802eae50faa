// What the mosaic kernels need of CUDA, for a C++ compiler: threads run one after another, block after block.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#define __global__
#define __device__

struct Place {
    unsigned int x;
};
static thread_local Place blockIdx, threadIdx, blockDim, gridDim;

struct alignas(16) uint4 {
    unsigned int x, y, z, w;
};

static inline uint4 make_uint4(unsigned int x, unsigned int y, unsigned int z, unsigned int w) { return {x, y, z, w}; }

static inline float __uint_as_float(unsigned int bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

static inline unsigned int __float_as_uint(float value) {
    unsigned int bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

/// A GPU refuses a store that does not lie on a multiple of its size.
static inline void __stcs(uint4 *target, uint4 value) {
    if (reinterpret_cast<std::uintptr_t>(target) % 16) {
        std::fputs("a store of 16 bytes lies askew\n", stderr);
        std::abort();
    }
    std::memcpy(static_cast<void *>(target), &value, sizeof value);
}

/// Runs some blocks of a grid.
template <auto kernel> struct Launch;
template <typename... Arguments, void (*kernel)(Arguments...)> struct Launch<kernel> {
    static void run(unsigned int first, unsigned int last, unsigned int blocks, unsigned int threads,
                    Arguments... arguments) {
        gridDim.x = blocks;
        blockDim.x = threads;
        for (blockIdx.x = first; blockIdx.x < last; ++blockIdx.x)
            for (threadIdx.x = 0; threadIdx.x < threads; ++threadIdx.x) kernel(arguments...);
    }
};

#define RUNS(NAME) extern "C" { void *run_##NAME = reinterpret_cast<void *>(&Launch<NAME>::run); }
