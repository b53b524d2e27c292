// oneDNN's engine, stream and a bounded cache of things built once per shape.
#pragma once

#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include <dnnl.hpp>

#include "core/tensor.h"

namespace mld::cpu {

const dnnl::engine& onednn_engine();
dnnl::stream& onednn_stream();  // one per calling thread

// A oneDNN view of a tensor's memory. The tensor must outlive it.
inline dnnl::memory onednn_memory(const dnnl::memory::desc& desc, const Tensor& x) {
  return dnnl::memory(desc, onednn_engine(), x.raw());
}

// Runs calls of oneDNN for an op on these operands. Errors: OutOfMemory or Error, the op's name
// first, for what oneDNN throws.
template <class Call>
void onednn_checked(const char* op, const Shape& x, const Shape& w, Call&& call) {
  try {
    call();
  } catch (const dnnl::error& error) {
    require<OutOfMemory>(error.status != dnnl_out_of_memory,
                         "{}: {} and {}: oneDNN has no memory; try a smaller train.batch_size or "
                         "data.image_size", op, x, w);
    fail("{}: {} and {}: oneDNN failed: {}", op, x, w, error.what());
  }
}

// Evicts the least recently used entries when more than `capacity` are held. Thread-safe; `make`
// runs under the lock, so a key is built once.
template <class Value>
class OnednnCache {
 public:
  explicit OnednnCache(size_t capacity) : capacity_(capacity) {}

  template <class Make>
  std::shared_ptr<const Value> get(const std::string& key, Make&& make) {
    const std::lock_guard lock(mutex_);
    if (const auto found = index_.find(key); found != index_.end()) {
      entries_.splice(entries_.begin(), entries_, found->second);
      return entries_.front().second;
    }
    entries_.emplace_front(key, std::make_shared<const Value>(make()));
    index_[key] = entries_.begin();
    if (entries_.size() > capacity_) {
      index_.erase(entries_.back().first);
      entries_.pop_back();
    }
    return entries_.front().second;
  }

 private:
  using Entry = std::pair<std::string, std::shared_ptr<const Value>>;
  size_t capacity_;
  std::mutex mutex_;
  std::list<Entry> entries_;
  std::unordered_map<std::string, typename std::list<Entry>::iterator> index_;
};

}  // namespace mld::cpu
