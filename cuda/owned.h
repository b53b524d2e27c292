// Library handles and descriptors as owning types.
#pragma once

#include <memory>
#include <type_traits>

namespace mld::cuda {

template <auto destroy>
struct Destroy {
  template <class T>
  void operator()(T* p) const {
    destroy(p);
  }
};

// Owned<cudnnHandle_t, cudnnDestroy>: a unique_ptr that calls the library's function.
template <class Handle, auto destroy>
using Owned = std::unique_ptr<std::remove_pointer_t<Handle>, Destroy<destroy>>;

}  // namespace mld::cuda
