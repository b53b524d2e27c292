// Brings a training step's inputs to the device and its results back without the device ever
// waiting for the host: the next inputs are copied on a stream of their own while a step computes,
// results are fetched a step later, and a step's launches can be captured and replayed as one call.
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

  // Returns the host tensors on the device, for work queued before the next call but one, which
  // reuses their memory. On a GPU they are copies, and the host tensors may be overwritten once
  // this returns; on the CPU they are the same tensors.
  virtual std::vector<Tensor> upload(const std::vector<Tensor>& host) = 0;

  // Queues a copy of x (float32) to the host, for result() to return. Does not wait.
  virtual void download(const Tensor& x) = 0;
  // The values of the oldest pending download; waits for them. Errors: Error if none is pending.
  virtual std::vector<float> result() = 0;
  // How many downloads should be in flight before result() is called: 0 if work runs immediately.
  virtual size_t lag() const = 0;

  // Runs `work` once to record what it queues on the device; only replay() executes that. Its host
  // code runs once, here. Every tensor it makes must be gone when it returns; their memory is kept
  // for the replays. Plans and permanent allocations that `work` needs must exist already: run it
  // normally first. Errors: Error on a device that cannot capture, or if a tensor is left over;
  // OutOfMemory.
  virtual std::unique_ptr<CapturedWork> capture(const std::function<void()>& work) = 0;
};

// The queue of a device's backend. One at a time: it knows only what it has queued itself.
std::unique_ptr<StepQueue> make_step_queue(Device device);

}  // namespace mld
