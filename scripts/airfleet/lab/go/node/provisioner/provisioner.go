// Package provisioner makes the lab's volumes: directories that every node sees under the same path, published as local
// volumes, which (unlike hostPath) honour fsGroup. A requested size is recorded, but nothing enforces it.
package provisioner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// Name is what StorageClasses of this provisioner name.
const Name = "airfleet/lab"

// directories provisions below one directory.
type directories struct{ base string }

// Run provisions and deletes volumes below a directory until the context ends.
func Run(ctx context.Context, client kubernetes.Interface, base string) {
	controller.NewProvisionController(ctx, client, Name, directories{base},
		controller.LeaderElection(false), controller.MetricsPort(0)).Run(ctx)
}

// Provision makes a directory. Volumes of a class with parameter shared can be used from every node at once, the others
// belong to the node that the first pod was scheduled to.
func (d directories) Provision(_ context.Context, o controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	shared := o.StorageClass.Parameters["shared"] == "true"
	requirement := corev1.NodeSelectorRequirement{Key: corev1.LabelOSStable, Operator: corev1.NodeSelectorOpIn, Values: []string{"linux"}}
	if !shared {
		if slices.Contains(o.PVC.Spec.AccessModes, corev1.ReadWriteMany) {
			return nil, controller.ProvisioningFinished, fmt.Errorf("class %s has ReadWriteOnce volumes; use the class shared", o.StorageClass.Name)
		}
		requirement.Key, requirement.Values = corev1.LabelHostname, []string{o.SelectedNodeName}
	}
	path := filepath.Join(d.base, o.PVName)
	if err := os.Mkdir(path, 0o755); err != nil && !os.IsExist(err) {
		return nil, controller.ProvisioningFinished, err
	}
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: o.PVC.Spec.Resources.Requests[corev1.ResourceStorage]},
			AccessModes:                   o.PVC.Spec.AccessModes,
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			PersistentVolumeSource:        corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: path}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{
				{MatchExpressions: []corev1.NodeSelectorRequirement{requirement}},
			}}},
		},
	}
	return volume, controller.ProvisioningFinished, nil
}

// Delete removes a volume's directory and what is in it.
func (d directories) Delete(_ context.Context, volume *corev1.PersistentVolume) error {
	path := filepath.Join(d.base, volume.Name)
	if volume.Spec.Local == nil || volume.Spec.Local.Path != path {
		return fmt.Errorf("volume %s is not at %s", volume.Name, path)
	}
	return os.RemoveAll(path)
}
