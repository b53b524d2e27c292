// The calls of CUDA's runtime that cuda/step_queue.cpp makes, emulated: streams, events, graphs.
//
// The compute stream (null) runs its work immediately. Another stream's work, and copies to the
// host, happen as late as allowed: when an event recorded after them is waited for. So a missing
// wait gives a wrong result. (Work done too early, on a stream that should have waited, is not
// noticed.)
#include <cuda_emulator.h>
#include <cuda_runtime_api.h>

#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <vector>

namespace {

using Work = std::function<void()>;

struct Late {
  std::deque<Work> work;
  size_t queued = 0, done = 0;

  void add(Work w) {
    work.push_back(std::move(w));
    ++queued;
  }
  void run_to(size_t count) {
    for (; done < count; ++done) {
      work.front()();
      work.pop_front();
    }
  }
};
struct Event {
  Late* stream = nullptr;  // null: never recorded
  size_t count = 0;
};
using Graph = std::vector<Work>;

Late compute;  // the compute stream's copies to the host
Late& of(cudaStream_t stream) {
  return stream == nullptr ? compute : *reinterpret_cast<Late*>(stream);
}
Event& of(cudaEvent_t event) { return *reinterpret_cast<Event*>(event); }

cudaError_t wait(cudaEvent_t event) {
  if (of(event).stream != nullptr) {
    of(event).stream->run_to(of(event).count);
  }
  return cudaSuccess;
}

}  // namespace

extern "C" {

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = reinterpret_cast<cudaStream_t>(new Late);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete &of(stream);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  of(stream).run_to(of(stream).queued);
  return cudaSuccess;
}
cudaError_t cudaStreamWaitEvent(cudaStream_t, cudaEvent_t event, unsigned) { return wait(event); }

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = reinterpret_cast<cudaEvent_t>(new Event);
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete &of(event);
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  of(event) = {&of(stream), of(stream).queued};
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t event) { return wait(event); }

cudaError_t cudaGetLastError() { return cudaSuccess; }

cudaError_t cudaHostAlloc(void** memory, size_t bytes, unsigned) {
  *memory = std::malloc(bytes);
  return *memory != nullptr ? cudaSuccess : cudaErrorMemoryAllocation;
}
cudaError_t cudaFreeHost(void* memory) {
  std::free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  if (emu::captured != nullptr) {
    return cudaErrorStreamCaptureUnsupported;  // none of the callers should
  }
  if (kind == cudaMemcpyDeviceToHost) {
    // The bytes as they are now, to arrive later.
    std::vector<char> taken(bytes);
    std::memcpy(taken.data(), from, bytes);
    of(stream).add([to, taken] { std::memcpy(to, taken.data(), taken.size()); });
  } else {
    of(stream).add([=] { std::memcpy(to, from, bytes); });
  }
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t, cudaStreamCaptureMode) {
  emu::captured = new Graph;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t, cudaGraph_t* graph) {
  *graph = reinterpret_cast<cudaGraph_t>(emu::captured);
  emu::captured = nullptr;
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  *exec = reinterpret_cast<cudaGraphExec_t>(new Graph(*reinterpret_cast<Graph*>(graph)));
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete reinterpret_cast<Graph*>(graph);
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete reinterpret_cast<Graph*>(exec);
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t) {
  for (const Work& work : *reinterpret_cast<Graph*>(exec)) {
    work();
  }
  return cudaSuccess;
}

}  // extern "C"
