package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/klog/v2"
)

const (
	provisionerName  = "pintle.dev/local"
	provisionedBy    = "pv.kubernetes.io/provisioned-by"
	storageProvision = "volume.kubernetes.io/storage-provisioner"
	selectedNode     = "volume.kubernetes.io/selected-node"
	hostnameLabel    = "kubernetes.io/hostname"
)

// provisioner answers claims of storage class provisioner "pintle.dev/local" with a folder of the node.
//
// The volumes are of type `local`, not `hostPath`: the kubelet applies a pod's fsGroup to the former only, and
// without it a pod that does not run as root cannot write.
type provisioner struct {
	client  kubernetes.Interface
	folder  string
	claims  cache.SharedIndexInformer
	volumes cache.SharedIndexInformer
	queue   workqueue.TypedRateLimitingInterface[string]
}

func newProvisionerCommand() *cobra.Command {
	var kubeconfig, folder string
	command := &cobra.Command{
		Use:          "pintle-provisioner",
		Short:        "Provisions volumes of type local for a cluster of one node",
		SilenceUsage: true,
		RunE: func(*cobra.Command, []string) error {
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return err
			}
			client, err := kubernetes.NewForConfig(config)
			if err != nil {
				return err
			}
			return newProvisioner(client, folder).run(contextOfSignals())
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "path of the kubeconfig")
	command.Flags().StringVar(&folder, "folder", "", "folder below which every volume gets its own")
	return command
}

func newProvisioner(client kubernetes.Interface, folder string) *provisioner {
	factory := informers.NewSharedInformerFactory(client, 30*time.Second)
	p := &provisioner{
		client:  client,
		folder:  folder,
		claims:  factory.Core().V1().PersistentVolumeClaims().Informer(),
		volumes: factory.Core().V1().PersistentVolumes().Informer(),
		queue:   workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]()),
	}
	for prefix, informer := range map[string]cache.SharedIndexInformer{"claim:": p.claims, "volume:": p.volumes} {
		enqueue := func(object any) {
			if key, err := cache.MetaNamespaceKeyFunc(object); err == nil {
				p.queue.Add(prefix + key)
			}
		}
		_, _ = informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
			AddFunc:    enqueue,
			UpdateFunc: func(_, object any) { enqueue(object) },
		})
	}
	return p
}

func (p *provisioner) run(ctx context.Context) error {
	if err := os.MkdirAll(p.folder, 0o755); err != nil {
		return err
	}
	go p.claims.RunWithContext(ctx)
	go p.volumes.RunWithContext(ctx)
	if !cache.WaitForCacheSync(ctx.Done(), p.claims.HasSynced, p.volumes.HasSynced) {
		return fmt.Errorf("ended before the first list was read")
	}
	go func() {
		<-ctx.Done()
		p.queue.ShutDown()
	}()
	for {
		key, ended := p.queue.Get()
		if ended {
			return nil
		}
		if err := p.visit(ctx, key); err != nil {
			klog.ErrorS(err, "will be tried again", "key", key)
			p.queue.AddRateLimited(key)
		} else {
			p.queue.Forget(key)
		}
		p.queue.Done(key)
	}
}

func (p *provisioner) visit(ctx context.Context, key string) error {
	if name, ok := cutPrefix(key, "claim:"); ok {
		object, exists, err := p.claims.GetIndexer().GetByKey(name)
		if err != nil || !exists {
			return err
		}
		return p.provision(ctx, object.(*corev1.PersistentVolumeClaim))
	}
	name, _ := cutPrefix(key, "volume:")
	object, exists, err := p.volumes.GetIndexer().GetByKey(name)
	if err != nil || !exists {
		return err
	}
	return p.reclaim(ctx, object.(*corev1.PersistentVolume))
}

func cutPrefix(key, prefix string) (string, bool) {
	if len(key) >= len(prefix) && key[:len(prefix)] == prefix {
		return key[len(prefix):], true
	}
	return key, false
}

func (p *provisioner) provision(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	if claim.Annotations[storageProvision] != provisionerName || claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil {
		return nil
	}
	class, err := p.client.StorageV1().StorageClasses().Get(ctx, *claim.Spec.StorageClassName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	node := claim.Annotations[selectedNode]
	if node == "" {
		if class.VolumeBindingMode != nil && *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer {
			return nil
		}
		if node, err = p.anyNode(ctx); err != nil {
			return err
		}
	}
	name := "pvc-" + string(claim.UID)
	folder := filepath.Join(p.folder, name)
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return err
	}
	if err := os.Chmod(folder, 0o777); err != nil { // whatever the umask
		return err
	}
	_, err = p.client.CoreV1().PersistentVolumes().Create(ctx, volumeFor(claim, class, name, folder, node), metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

func (p *provisioner) anyNode(ctx context.Context) (string, error) {
	nodes, err := p.client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return "", err
	}
	if len(nodes.Items) == 0 {
		return "", fmt.Errorf("there is no node yet")
	}
	return nodes.Items[0].Name, nil
}

func volumeFor(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass, name, folder, node string) *corev1.PersistentVolume {
	filesystem := corev1.PersistentVolumeFilesystem
	reclaim := corev1.PersistentVolumeReclaimDelete
	if class.ReclaimPolicy != nil {
		reclaim = *class.ReclaimPolicy
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{provisionedBy: provisionerName}},
		Spec: corev1.PersistentVolumeSpec{
			StorageClassName:              class.Name,
			PersistentVolumeReclaimPolicy: reclaim,
			AccessModes:                   claim.Spec.AccessModes,
			VolumeMode:                    &filesystem,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage]},
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: folder}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: hostnameLabel, Operator: corev1.NodeSelectorOpIn, Values: []string{node},
				}},
			}}}},
		},
	}
}

func (p *provisioner) reclaim(ctx context.Context, volume *corev1.PersistentVolume) error {
	ours := volume.Annotations[provisionedBy] == provisionerName && volume.Spec.Local != nil
	if !ours || volume.Status.Phase != corev1.VolumeReleased ||
		volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimDelete {
		return nil
	}
	// Only a folder directly below ours is ever removed, whatever the volume says.
	if filepath.Dir(volume.Spec.Local.Path) != filepath.Clean(p.folder) {
		return fmt.Errorf("%s lies outside %s and is left alone", volume.Spec.Local.Path, p.folder)
	}
	if err := os.RemoveAll(volume.Spec.Local.Path); err != nil {
		return err
	}
	err := p.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
