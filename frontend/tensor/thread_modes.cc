// What frontend/tensor/thread_modes.h declares. Refuses to change it: each part has a file that does.
#include "tenon/frontend/tensor/thread_modes.h"

namespace tenon {

constinit thread_local ThreadModes thread_modes [[gnu::tls_model("initial-exec")]];

}  // namespace tenon
