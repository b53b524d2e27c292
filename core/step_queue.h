// The way of a training step to its device and back, so that the device never waits for the host:
// the next inputs travel on a stream of their own while a step computes, results are fetched a step
// later, and a step's launches can be captured once and replayed with one call.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "core/tensor.h"

namespace mld {

// Work on a device, queued again and again with one call each.
class CapturedWork {
 public:
  virtual ~CapturedWork() = default;
  // Queues the work: the same launches, with the same tensors' memory, whatever it holds now.
  virtual void replay() = 0;
};

class StepQueue {
 public:
  virtual ~StepQueue() = default;

  // Host tensors on the device, for whatever is queued before the next call but one; their memory
  // serves again then. On a GPU these are copies, and the host tensors may change on return; on
  // the CPU they are the same tensors.
  virtual std::vector<Tensor> upload(const std::vector<Tensor>& host) = 0;

  // Queues a copy of x, floats, to the host; result() hands it over. Does not wait.
  virtual void download(const Tensor& x) = 0;
  // What the oldest download sent; waits for it. Errors: Error if there is none.
  virtual std::vector<float> result() = 0;
  // How many downloads should be under way before result() is called: 0 where work runs at once.
  virtual size_t lag() const = 0;

  // Runs `work` once to record what it queues on the device, which does not run yet: replay() does
  // that. Host work in it happens once, here. Every tensor it makes must be gone when it returns;
  // the memory they had is kept for the replays. Whatever `work` needs planned or allocated for
  // good must be there: run it as usual first. Errors: Error on a device that cannot, or where a
  // tensor stays behind; OutOfMemory.
  virtual std::unique_ptr<CapturedWork> capture(const std::function<void()>& work) = 0;
};

// Of a device's backend. One queue at a time: it knows only what it has queued itself.
std::unique_ptr<StepQueue> make_step_queue(Device device);

}  // namespace mld
