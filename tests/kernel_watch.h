// While a KernelWatch lives, every call of a backend's kernels goes to the test, which may look at
// the tensors, run the call, or run a copy of it elsewhere.
//
// Generated from the contract page; the parameters' types distinguish inputs from outputs.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/kernels.h"

namespace mld::test {

enum class Role {
  input,   // only read
  output,  // only written
  update,  // read and written: running statistics, an optimiser's tensors
};

class KernelCall {
 public:
  virtual ~KernelCall() = default;
  virtual std::string name() const = 0;
  // Every defined tensor, in the order of the parameters. It may be replaced.
  virtual void each_tensor(const std::function<void(Tensor&, Role)>& visit) = 0;
  // The kernel of this table, on the tensors as they are now.
  virtual void run(const KernelTable& table) = 0;
  // Whether the two tables have the same function for this kernel.
  virtual bool same(const KernelTable& a, const KernelTable& b) const = 0;
  virtual std::unique_ptr<KernelCall> copy() const = 0;  // sharing the tensors' memory
};

class KernelWatch {
 public:
  // `own` is the backend's own table. Kernels may be called from one thread only, and a backend has
  // one watch at a time.
  using Handler = std::function<void(KernelCall& call, const KernelTable& own)>;
  KernelWatch(Device device, Handler handler);
  ~KernelWatch();
  KernelWatch(const KernelWatch&) = delete;
  KernelWatch& operator=(const KernelWatch&) = delete;

 private:
  Backend backend_;
};

// The table of a backend, whether it is watched or not.
const KernelTable& own_table(Device device);

// Gives every element a value that no correct result has: NaN, or 113 for integers.
void poison(Tensor& x);

// While it lives, outputs hold poison before each call. So a kernel that reads its output, or
// leaves some of it unwritten, shows, although the pool reuses blocks.
KernelWatch poisoned_outputs(Device device);

// x on a device: always a copy, never x itself.
Tensor copy_of(const Tensor& x, Device device);

}  // namespace mld::test
