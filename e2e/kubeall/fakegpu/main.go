// Command fakegpu is a device plugin that offers GPUs which are not there. A container that asks for some gets
// their ids in NVIDIA_VISIBLE_DEVICES, and whatever -mount and -env say: the pod itself needs no hostPath.
package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"k8s.io/klog/v2"
	pluginapi "k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1"
	plugin "k8s.io/kubernetes/pkg/kubelet/cm/devicemanager/plugin/v1beta1"
)

func main() {
	dir := flag.String("dir", pluginapi.DevicePluginPath, "folder of the kubelet's plugin sockets")
	resource := flag.String("resource", "nvidia.com/gpu", "resource name")
	ids := flag.String("ids", "", "UUIDs of the GPUs, separated by commas")
	mounts := []*pluginapi.Mount{}
	flag.Func("mount", "HOST:CONTAINER[:ro], mounted into containers that get a GPU (may be repeated)", func(value string) error {
		parts := strings.Split(value, ":")
		if len(parts) < 2 || len(parts) > 3 || len(parts) == 3 && parts[2] != "ro" {
			return errors.New("not HOST:CONTAINER[:ro]")
		}
		mounts = append(mounts, &pluginapi.Mount{HostPath: parts[0], ContainerPath: parts[1], ReadOnly: len(parts) == 3})
		return nil
	})
	envs := map[string]string{}
	flag.Func("env", "NAME=VALUE, set in containers that get a GPU (may be repeated)", func(value string) error {
		name, text, found := strings.Cut(value, "=")
		if !found {
			return errors.New("not NAME=VALUE")
		}
		envs[name] = text
		return nil
	})
	flag.Parse()

	ctx := context.Background()
	logger := klog.FromContext(ctx)
	fatal := func(err error) {
		if err != nil {
			logger.Error(err, "fakegpu")
			os.Exit(1)
		}
	}
	if *ids == "" {
		fatal(errors.New("-ids is missing"))
	}
	var devices []*pluginapi.Device
	for _, id := range strings.Split(*ids, ",") {
		devices = append(devices, &pluginapi.Device{ID: id, Health: pluginapi.Healthy})
	}

	socket := filepath.Join(*dir, "fakegpu.sock")
	server := plugin.NewDevicePluginStub(logger, devices, socket, *resource, false, false)
	server.SetAllocFunc(func(request *pluginapi.AllocateRequest, _ map[string]*pluginapi.Device) (*pluginapi.AllocateResponse, error) {
		response := &pluginapi.AllocateResponse{}
		for _, container := range request.ContainerRequests {
			given := &pluginapi.ContainerAllocateResponse{
				Envs:   map[string]string{"NVIDIA_VISIBLE_DEVICES": strings.Join(container.DevicesIds, ",")},
				Mounts: mounts,
			}
			for name, text := range envs {
				given.Envs[name] = text
			}
			response.ContainerResponses = append(response.ContainerResponses, given)
		}
		return response, nil
	})

	kubelet := filepath.Join(*dir, "kubelet.sock")
	fatal(server.Start(ctx))
	fatal(server.Register(ctx, kubelet, *resource, *dir))
	// Registers again after a restart of the kubelet, some 10 s later. Its context must not end: Watch panics then.
	go server.Watch(ctx, kubelet, *resource, *dir)

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	<-stop
	os.Remove(socket)
}
