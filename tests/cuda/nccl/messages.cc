// Messages: each end waits for the other one; then the receiver's stream copies, behind what the sender's stream has to do before, and
// the sender's goes on when that is done.
#include <algorithm>

#include "tenon/tests/cuda/nccl/state.h"

namespace simulated_nccl {
namespace {

int copy(const End& sender, const End& receiver) {
  void* done = nullptr;
  void* before = nullptr;
  int result = cuCtxPushCurrent_v2(receiver.who->context);
  if (result == 0) {
    result = cuStreamWaitEvent(receiver.stream, sender.ready, 0);
    if (result == 0)
      result = cuMemcpyPeerAsync(receiver.at, receiver.who->context, sender.at, sender.who->context, sender.bytes,
                                 receiver.stream);
    if (result == 0) result = cuEventCreate(&done, 2);
    if (result == 0) result = cuEventRecord(done, receiver.stream);
    cuCtxPopCurrent_v2(&before);
  }
  if (result == 0) result = cuCtxPushCurrent_v2(sender.who->context);
  if (result == 0) {
    result = cuStreamWaitEvent(sender.stream, done, 0);
    cuCtxPopCurrent_v2(&before);
  }
  cuEventDestroy_v2(done);
  cuEventDestroy_v2(sender.ready);
  return result;
}

}  // namespace

void post(const End& end) {
  Room& room = *end.who->room;
  const int own = end.who->number;
  std::deque<End>& queue = room.waiting[end.sends ? std::pair(own, end.peer) : std::pair(end.peer, own)];
  if (queue.empty() || queue.front().sends == end.sends) {
    queue.push_back(end);
    ++end.who->open;
    return;
  }
  const End other = queue.front();
  queue.pop_front();
  --other.who->open;
  const bool alike = other.kind == end.kind && other.bytes == end.bytes;
  const int result = alike ? copy(end.sends ? end : other, end.sends ? other : end) : static_cast<int>(internal_error);
  if (result == 0) return;
  for (const End* one : {&end, &other})
    if (one->who->failure == success) one->who->failure = alike ? cuda_error : internal_error;
}

void withdraw(Communicator& c) {
  for (auto& [who, queue] : c.room->waiting)
    std::erase_if(queue, [&](const End& e) {
      if (e.who == &c && e.ready != nullptr) cuEventDestroy_v2(e.ready);
      return e.who == &c;
    });
  c.room->members.erase(c.number);
  for (void* stream : c.held) simulated_cuda_hold(stream, 0);
}

}  // namespace simulated_nccl
