// Functions that kernels call too: the mark that nvcc wants, nothing for other compilers.
#pragma once

#if defined(__CUDACC__)
#define MLD_HOST_DEVICE __host__ __device__
#else
#define MLD_HOST_DEVICE
#endif
