/* libnvidia-ml.so.1 for machines without a GPU: what job.gpu_use asks for, with NVML's own codes.
 *
 * It has two GPUs. Whoever asks before nvmlInitWithFlags, after nvmlShutdown, or with a handle, a
 * clock or a sensor that it did not hand out or does not know is refused as by the real library.
 * FAKE_NVML: "no-driver" refuses to start; "no-power" has no power meter; "lost" loses the GPU with
 * the fourth sample; "hang" never returns from the first one; "throttled" is held back.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    SUCCESS = 0,
    UNINITIALIZED = 1,
    INVALID_ARGUMENT = 2,
    NOT_SUPPORTED = 3,
    NOT_FOUND = 6,
    INSUFFICIENT_SIZE = 7,
    DRIVER_NOT_LOADED = 9,
    GPU_IS_LOST = 15,
};
enum { CLOCK_SM = 1, CLOCK_MEM = 2, SENSOR_GPU = 0 };

typedef struct {
    const char *uuid, *bus_id, *name;
    unsigned samples;
} Gpu;
typedef struct {
    unsigned gpu, memory;
} Utilization;
typedef struct {
    unsigned long long total, free, used;
} Memory;

static Gpu gpus[] = {
    {"GPU-00000000-aaaa-bbbb-cccc-0123456789ab", "00000000:19:00.0", "Fake GPU 0", 0},
    {"GPU-00000001-aaaa-bbbb-cccc-0123456789ab", "00000000:3B:00.0", "Fake GPU 1", 0},
};
static int users = 0;

static int plays(const char *scenario) {
    const char *chosen = getenv("FAKE_NVML");
    return chosen && strcmp(chosen, scenario) == 0;
}

static int refusal(const Gpu *gpu, const void *answer) {
    if (users == 0) return UNINITIALIZED;
    if ((gpu != &gpus[0] && gpu != &gpus[1]) || answer == NULL) return INVALID_ARGUMENT;
    if (plays("lost") && gpu->samples > 3) return GPU_IS_LOST;
    return SUCCESS;
}

int nvmlInitWithFlags(unsigned flags) {
    if (flags != 0) return INVALID_ARGUMENT;
    if (plays("no-driver")) return DRIVER_NOT_LOADED;
    users++;
    return SUCCESS;
}

int nvmlShutdown(void) {
    if (users == 0) return UNINITIALIZED;
    users--;
    return SUCCESS;
}

static int find(const char *wanted, size_t place, Gpu **found) {
    if (users == 0) return UNINITIALIZED;
    if (wanted == NULL || found == NULL) return INVALID_ARGUMENT;
    for (size_t i = 0; i < 2; i++) {
        const char *own = place == 0 ? gpus[i].uuid : gpus[i].bus_id;
        if (strcmp(own, wanted) == 0) {
            *found = &gpus[i];
            return SUCCESS;
        }
    }
    return NOT_FOUND;
}

int nvmlDeviceGetHandleByUUID(const char *uuid, Gpu **found) { return find(uuid, 0, found); }

int nvmlDeviceGetHandleByPciBusId_v2(const char *id, Gpu **found) { return find(id, 1, found); }

int nvmlDeviceGetName(Gpu *gpu, char *name, unsigned length) {
    int refused = refusal(gpu, name);
    if (refused) return refused;
    if (length <= strlen(gpu->name)) return INSUFFICIENT_SIZE;
    strcpy(name, gpu->name);
    return SUCCESS;
}

int nvmlDeviceGetUtilizationRates(Gpu *gpu, Utilization *rates) {
    if (users && gpu) gpu->samples++;
    int refused = refusal(gpu, rates);
    if (refused) return refused;
    while (plays("hang")) sleep(60);
    rates->gpu = gpu == &gpus[0] ? 11 : 87;
    rates->memory = 40;
    return SUCCESS;
}

int nvmlDeviceGetMemoryInfo(Gpu *gpu, Memory *memory) {
    int refused = refusal(gpu, memory);
    if (refused) return refused;
    memory->total = 80000000000ULL;
    memory->used = 1000000000ULL;
    memory->free = memory->total - memory->used;
    return SUCCESS;
}

int nvmlDeviceGetPowerUsage(Gpu *gpu, unsigned *milliwatts) {
    int refused = refusal(gpu, milliwatts);
    if (refused) return refused;
    if (plays("no-power")) return NOT_SUPPORTED;
    *milliwatts = 345600;
    return SUCCESS;
}

int nvmlDeviceGetClockInfo(Gpu *gpu, unsigned clock, unsigned *mhz) {
    int refused = refusal(gpu, mhz);
    if (refused) return refused;
    if (clock != CLOCK_SM && clock != CLOCK_MEM) return INVALID_ARGUMENT;
    *mhz = clock == CLOCK_SM ? 1980 : 2619;
    return SUCCESS;
}

int nvmlDeviceGetTemperature(Gpu *gpu, unsigned sensor, unsigned *celsius) {
    int refused = refusal(gpu, celsius);
    if (refused) return refused;
    if (sensor != SENSOR_GPU) return INVALID_ARGUMENT;
    *celsius = 54;
    return SUCCESS;
}

int nvmlDeviceGetCurrentClocksThrottleReasons(Gpu *gpu, unsigned long long *reasons) {
    int refused = refusal(gpu, reasons);
    if (refused) return refused;
    *reasons = plays("throttled") ? 0x01 | 0x04 | 0x40 : 0x01;
    return SUCCESS;
}
