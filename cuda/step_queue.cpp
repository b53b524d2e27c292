#include "cuda/step_queue.h"

#include <array>
#include <cstring>
#include <deque>

#include "core/error.h"
#include "core/memory.h"
#include "cuda/owned.h"
#include "cuda/runtime.h"

namespace mld::cuda {
namespace {

using Stream = Owned<cudaStream_t, cudaStreamDestroy>;
using Event = Owned<cudaEvent_t, cudaEventDestroy>;
using Graph = Owned<cudaGraph_t, cudaGraphDestroy>;
using GraphExec = Owned<cudaGraphExec_t, cudaGraphExecDestroy>;

Stream make_stream() {
  cudaStream_t raw = nullptr;
  check(cudaStreamCreateWithFlags(&raw, cudaStreamNonBlocking));
  return Stream(raw);
}

Event make_event() {
  cudaEvent_t raw = nullptr;
  check(cudaEventCreateWithFlags(&raw, cudaEventDisableTiming));
  return Event(raw);
}

// Host memory that the device copies from and to while the host goes on.
class Pinned {
 public:
  // At least this many bytes; the contents are lost when it grows.
  char* at_least(size_t bytes) {
    if (bytes > bytes_) {
      memory_.reset();
      bytes_ = 0;
      void* raw = nullptr;
      const cudaError_t status = cudaHostAlloc(&raw, bytes, cudaHostAllocDefault);
      require<OutOfMemory>(status != cudaErrorMemoryAllocation,
                           "out of memory: {} bytes of pinned host memory", bytes);
      check(status);
      memory_.reset(static_cast<char*>(raw));
      bytes_ = bytes;
    }
    return memory_.get();
  }

 private:
  struct Free {
    void operator()(char* p) const { cudaFreeHost(p); }
  };
  std::unique_ptr<char, Free> memory_;
  size_t bytes_ = 0;
};

// A captured step, and the memory its launches write to.
class DeviceGraph : public CapturedWork {
 public:
  explicit DeviceGraph(std::vector<MemoryPool::Block> memory) : memory_(std::move(memory)) {}
  void take(GraphExec exec) { exec_ = std::move(exec); }
  ~DeviceGraph() override {
    cudaStreamSynchronize(stream());  // a replay may still be running
    exec_.reset();
    device_memory().give_back(memory_);
  }
  void replay() override { check(cudaGraphLaunch(exec_.get(), stream())); }

 private:
  GraphExec exec_;
  std::vector<MemoryPool::Block> memory_;
};

class DeviceQueue : public StepQueue {
 public:
  ~DeviceQueue() override {
    cudaStreamSynchronize(copies_.get());
    cudaStreamSynchronize(stream());
  }

  // Note [Two inputs]. The copy into one set of tensors runs while the previous step computes from
  // the other. It must wait for the steps that read its own set: those queued before the upload in
  // between, where `read` is recorded. The host waits for the copy made two calls ago, which read
  // the pinned memory that is about to be filled; by now that copy has long ended.
  std::vector<Tensor> upload(const std::vector<Tensor>& host) override {
    Inputs& now = inputs_[next_];
    next_ = 1 - next_;
    check(cudaEventRecord(inputs_[next_].read.get(), stream()));
    check(cudaEventSynchronize(now.copied.get()));
    if (!fit(host, now.tensors)) {
      now.tensors.clear();
      for (const Tensor& x : host) {
        now.tensors.emplace_back(x.shape(), x.dtype(), current_device());
      }
      // Anything queued so far may still be using the new memory.
      check(cudaEventRecord(now.read.get(), stream()));
    }
    check(cudaStreamWaitEvent(copies_.get(), now.read.get()));
    size_t bytes = 0;
    for (const Tensor& x : host) {
      bytes += x.bytes();
    }
    char* pinned = now.staging.at_least(bytes);
    for (size_t i = 0; i < host.size(); ++i) {
      std::memcpy(pinned, host[i].raw(), host[i].bytes());
      check(cudaMemcpyAsync(now.tensors[i].raw(), pinned, host[i].bytes(), cudaMemcpyHostToDevice,
                            copies_.get()));
      pinned += host[i].bytes();
    }
    check(cudaEventRecord(now.copied.get(), copies_.get()));
    check(cudaStreamWaitEvent(stream(), now.copied.get()));
    return now.tensors;
  }

  void download(const Tensor& x) override {
    if (spare_.empty()) {
      spare_.emplace_back();
    }
    Result result = std::move(spare_.back());
    spare_.pop_back();
    result.count = static_cast<size_t>(x.numel());
    float* pinned = reinterpret_cast<float*>(result.memory.at_least(x.bytes()));
    check(cudaMemcpyAsync(pinned, x.data<float>(), x.bytes(), cudaMemcpyDeviceToHost, stream()));
    check(cudaEventRecord(result.arrived.get(), stream()));
    results_.push_back(std::move(result));
  }

  std::vector<float> result() override {
    require(!results_.empty(), "step queue: result() without a download() in flight");
    Result& oldest = results_.front();
    check(cudaEventSynchronize(oldest.arrived.get()));
    const float* values = reinterpret_cast<const float*>(oldest.memory.at_least(0));
    std::vector<float> floats(values, values + oldest.count);
    spare_.push_back(std::move(oldest));
    results_.pop_front();
    return floats;
  }

  size_t lag() const override { return 1; }

  std::unique_ptr<CapturedWork> capture(const std::function<void()>& work) override {
    MemoryPool& pool = device_memory();
    // Relaxed: the pool may have to allocate device memory meanwhile.
    check(cudaStreamBeginCapture(stream(), cudaStreamCaptureModeRelaxed));
    set_capturing(true);
    pool.watch();
    cudaGraph_t raw = nullptr;
    try {
      work();
    } catch (...) {
      set_capturing(false);
      pool.stop_watching();
      cudaStreamEndCapture(stream(), &raw);
      const Graph dropped(raw);
      cudaGetLastError();  // the first error is the one to report
      throw;
    }
    set_capturing(false);
    const cudaError_t status = cudaStreamEndCapture(stream(), &raw);
    const Graph graph(raw);
    if (status != cudaSuccess) {
      pool.stop_watching();
      check(status);
    }
    cudaGraphExec_t exec = nullptr;
    std::vector<MemoryPool::Block> memory = pool.take_watched();
    auto captured = std::make_unique<DeviceGraph>(std::move(memory));
    check(cudaGraphInstantiate(&exec, graph.get(), 0));
    captured->take(GraphExec(exec));
    return captured;
  }

 private:
  struct Inputs {
    std::vector<Tensor> tensors;
    Pinned staging;
    Event copied = make_event();  // into the tensors
    Event read = make_event();    // by the last step that reads them
  };
  struct Result {
    Pinned memory;
    size_t count = 0;
    Event arrived = make_event();
  };

  static bool fit(const std::vector<Tensor>& host, const std::vector<Tensor>& device) {
    bool same = host.size() == device.size();
    for (size_t i = 0; same && i < host.size(); ++i) {
      same = host[i].shape() == device[i].shape() && host[i].dtype() == device[i].dtype();
    }
    return same;
  }

  Stream copies_ = make_stream();
  std::array<Inputs, 2> inputs_;
  size_t next_ = 0;
  std::deque<Result> results_;
  std::vector<Result> spare_;
};

}  // namespace

std::unique_ptr<StepQueue> step_queue() { return std::make_unique<DeviceQueue>(); }

}  // namespace mld::cuda
