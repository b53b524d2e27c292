// Marks functions that kernels call too: what nvcc requires, nothing for other compilers.
#pragma once

#if defined(__CUDACC__)
#define MLD_HOST_DEVICE __host__ __device__
#else
#define MLD_HOST_DEVICE
#endif
